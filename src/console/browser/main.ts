import { html, render, type TemplateResult } from 'lit-html'
import { Api } from '../../pages/browser/api.ts'
import { ServerClock } from '../../pages/browser/clock.ts'
import type { Session } from '../../pages/browser/session.ts'
import { untilSignedIn } from '../../pages/browser/sign-in.ts'
import { onChangeAsked, rights } from './change.ts'
import { ChangeDialog } from './change-dialog.ts'
import { Console } from './console.ts'
import { navigate } from './filter-form.ts'
import { consoleView } from './view.ts'

const REFRESH_MS = 5_000
const ACTION_REFRESH_MS = 1_000
const RETRY_MS = 3_000
const SIGN_IN_HINT = html`An operator makes a key with
  <code>npm run keys -- --create ada --scope ops</code>.`

const root = document.querySelector<HTMLElement>('#console') as HTMLElement
const clock = new ServerClock()
const api = new Api(new URL('.', document.baseURI).href, clock)

await start()

async function start(): Promise<void> {
  const session = await untilAnswered()
  if (!session.scopes.includes('ops') || session.restaurants !== null)
    return show(html`<h1>Not for this key</h1>
      <p role="alert">
        The console needs the scope <code>ops</code>, and a key without a restriction to restaurants.
      </p>`)
  render(html``, root)
  // Without a session of this browser, the API may not know a name.
  rights.asksActor = !session.signed_in
  open()
}

/** Calls until there is an answer, and lets the person sign in when that is asked for. */
async function untilAnswered(): Promise<Session> {
  for (;;) {
    const { status, body, problem } = await api.call('session')
    if (problem === undefined) return body as Session
    if (status === 401) {
      await untilSignedIn(api, show, SIGN_IN_HINT)
      continue
    }
    show(html`<h1>Not connected</h1>
      <p role="alert">${problem} The console tries again by itself.</p>`)
    await new Promise(done => setTimeout(done, RETRY_MS))
  }
}

function show(content: TemplateResult): void {
  render(html`<main class="message">${content}</main>`, root)
}

function open(): void {
  const draw = () => render(consoleView(page, clock.nowMs(), draw), root)
  const page = new Console(api, () => clock.nowMs(), draw)
  /** The title of the new view gets the focus, where keyboards and screen readers go on. */
  const go = async () => {
    await page.go()
    root.querySelector<HTMLElement>('h2')?.focus()
    document.title = `${root.querySelector('h2')?.textContent ?? ''} – Comanda console`
  }
  // A first page that is read again would no longer fit the further pages of a list.
  const refresh = () => (document.hidden || page.more.length > 0 ? undefined : void page.refresh())
  const dialog = new ChangeDialog(api, () => void page.refresh())
  onChangeAsked(change => dialog.open(change))
  setInterval(refresh, REFRESH_MS)
  setInterval(() => page.isActing && refresh(), ACTION_REFRESH_MS)
  document.addEventListener('visibilitychange', refresh)
  addEventListener('online', refresh)
  addEventListener('popstate', () => void go())
  document.addEventListener('click', event => follow(event))
  document.addEventListener('keydown', event => {
    if (
      event.key !== '/' ||
      event.target instanceof HTMLInputElement ||
      document.querySelector('dialog[open]')
    )
      return
    event.preventDefault()
    root.querySelector<HTMLInputElement>('#q')?.focus()
  })
  void page.go()
}

/** Follows a link to another view without loading the page again. */
function follow(event: MouseEvent): void {
  const link = (event.target as Element).closest?.('a')?.getAttribute('href')
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey
  if (!link?.startsWith('?') || !isPlain) return
  event.preventDefault()
  navigate(link)
}
