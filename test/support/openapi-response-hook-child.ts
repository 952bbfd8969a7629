import { checkFetchedResponses } from './openapi-response-hook.ts'

// Loaded before a script that is a client of the API (`spawnScript`): an answer that is not as documented fails it. What
// describes the API is loaded with the first answer, because most scripts get none.
checkFetchedResponses(async () => (await import('./api-document.ts')).wholeDocument())
