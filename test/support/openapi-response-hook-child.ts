import { checkFetchedResponses } from './openapi-response-hook.ts'

// Preloaded into scripts that call the API (`spawnScript`): a response that does not match the
// OpenAPI document fails the script. The document is loaded with the first response, because most
// scripts get none.
checkFetchedResponses(async () => (await import('./api-document.ts')).wholeDocument())
