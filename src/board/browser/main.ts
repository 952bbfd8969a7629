import { html, render, type TemplateResult } from 'lit-html'
import { Api } from '../../pages/browser/api.ts'
import { ServerClock } from '../../pages/browser/clock.ts'
import type { Session } from '../../pages/browser/session.ts'
import { untilSignedIn } from '../../pages/browser/sign-in.ts'
import { wakeAndRest } from '../../pages/browser/wake-and-rest.ts'
import type { Restaurant } from './api-types.ts'
import { Board } from './board.ts'
import { Screen } from './screen.ts'
import { applySettings, loadSettings } from './settings.ts'
import { watchVersion } from './version.ts'
import { keepAwake } from './wake-lock.ts'

const TICK_MS = 1_000
const RETRY_MS = 3_000

const SIGN_IN_HINT = html`An operator makes a key for a screen with
  <code>npm run keys -- --create pass-1 --screen --restaurant …</code>.`

const root = document.querySelector<HTMLElement>('#board') as HTMLElement
const clock = new ServerClock()
const api = new Api(new URL('.', document.baseURI).href, clock)

applySettings(loadSettings())
await start()

/** Finds out who uses the page and which restaurant is meant, and opens its board. */
async function start(): Promise<void> {
  const session = await untilAnswered<Session>('session')
  const { searchParams } = new URL(location.href)
  // The API documentation sends people here to sign in.
  if (searchParams.get('next') === 'docs') return location.replace(api.url('docs'))
  const restaurantId = searchParams.get('restaurant') ?? (await chooseRestaurant(session))
  if (restaurantId !== undefined) openBoard(session, restaurantId)
}

/** Calls until there is an answer, and lets the person sign in when that is asked for. */
async function untilAnswered<Body>(path: string): Promise<Body> {
  for (;;) {
    const { status, body, problem } = await api.call(path)
    if (problem === undefined) return body as Body
    if (status === 401) {
      await untilSignedIn(api, show, SIGN_IN_HINT)
      continue
    }
    show(html`<h1>${status === 403 ? 'Not permitted' : 'Not connected'}</h1>
      <p role="alert">${problem} The board tries again by itself.</p>`)
    await new Promise(done => setTimeout(done, RETRY_MS))
  }
}

/** Takes the only restaurant there is, or lets the person choose one. */
async function chooseRestaurant({ restaurants }: Session): Promise<string | undefined> {
  if (restaurants?.length === 1) return withRestaurant(restaurants[0] ?? '')
  const list = await untilAnswered<Restaurant[]>('api/v1/restaurants?limit=100')
  if (list.length === 1) return withRestaurant(list[0]?.restaurant_id ?? '')
  show(html`<h1>Which restaurant?</h1>
    ${
      list.length === 0
        ? html`<p>There is no restaurant yet. Add one with POST /api/v1/inventory/add/restaurant.</p>`
        : html`<ul class="choice">
          ${list.map(({ restaurant_id, name }) => html`<li><a href="?restaurant=${restaurant_id}">${name}</a></li>`)}
        </ul>`
    }`)
  return undefined
}

function withRestaurant(restaurantId: string): string {
  const url = new URL(location.href)
  url.searchParams.set('restaurant', restaurantId)
  history.replaceState(null, '', url)
  return restaurantId
}

function show(content: TemplateResult): void {
  render(html`<main class="message">${content}</main>`, root)
}

function openBoard(session: Session, restaurantId: string): void {
  render(html``, root)
  let screen: Screen | undefined
  const board = new Board(api, clock, session, restaurantId, () => screen?.schedule())
  screen = new Screen(root, board)
  board.search.readUrl()
  board.start()
  setInterval(() => board.tick(), TICK_MS)
  wakeAndRest(board)
  addEventListener('pagehide', () => board.gestures.flush())
  addEventListener('popstate', () => board.search.readUrl())
  keepAwake()
  watchVersion(board)
}
