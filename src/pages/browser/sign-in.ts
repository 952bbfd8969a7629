import { html, nothing, type TemplateResult } from 'lit-html'
import type { Api } from './api.ts'

type Show = (content: TemplateResult) => void

/**
 * Asks for an API key or a token until the server makes a session of it.
 * @param hint how to get one
 */
export async function untilSignedIn(api: Api, show: Show, hint: TemplateResult): Promise<void> {
  await new Promise<void>(done => draw(api, show, hint, undefined, done))
}

function draw(
  api: Api,
  show: Show,
  hint: TemplateResult,
  problem: string | undefined,
  done: () => void,
): void {
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const field = (event.target as HTMLFormElement).elements.namedItem('token') as HTMLInputElement
    const token = field.value.trim()
    field.value = ''
    const refusal = await signIn(api, token)
    if (refusal === undefined) done()
    else draw(api, show, hint, refusal, done)
  }
  show(html`<h1>Sign in</h1>
    ${
      isSecureContext
        ? html`<form class="sign-in" @submit=${submit}>
          <label for="token">API key or token</label>
          <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
          <button class="move">Sign in</button>
        </form>
        <p>${hint} The browser keeps it sealed, until you sign out.</p>`
        : html`<p role="alert">
          Signing in needs HTTPS or localhost: browsers keep no session otherwise. Open this page with
          https://.
        </p>`
    }
    ${problem === undefined ? nothing : html`<p class="problem" role="alert">${problem}</p>`}`)
}

/** @returns why the server refuses the token, in a sentence */
async function signIn(api: Api, token: string): Promise<string | undefined> {
  if (!/^[\w.~+/-]+=*$/.test(token)) return 'This is no API key and no token: it has other characters.'
  const { problem } = await api.call('session', {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  })
  return problem
}

/** Ends the session of this browser. */
export async function signOut(api: Api): Promise<void> {
  await api.call('session', { method: 'DELETE' })
  location.reload()
}
