import { render } from 'lit-html'
import type { Board } from './board.ts'
import { type ColumnName, columnNames } from './columns.ts'
import { buttonOf, Keys } from './keys.ts'
import type { Ticket } from './ticket.ts'
import { boardView } from './view.ts'

/** A finger that rests on the screen for longer than this does not stop the drawing. */
const MAX_PRESS_MS = 2_000
/** Cards that are added to a column per frame: more would keep the browser from other work. */
const ADDED_PER_FRAME = 50

interface Focus {
  column: ColumnName
  index: number
  orderId: string
}

/** Draws a board, and keeps the places of cards and focus steady while it changes. */
export class Screen {
  readonly #root: HTMLElement
  readonly #board: Board
  readonly #keys: Keys
  #isScheduled = false
  #pressedMs: number | undefined
  #places = new Map<string, string>()
  #printed: Ticket | undefined
  #bar: ResizeObserver | undefined
  #opener: { element: HTMLElement; name: string } | undefined

  constructor(root: HTMLElement, board: Board) {
    this.#root = root
    this.#board = board
    this.#keys = new Keys(root, board)
    document.addEventListener('keydown', event => {
      board.touched()
      this.#keys.handle(event)
    })
    document.addEventListener('focusin', ({ target }) => {
      this.#keys.focused(target)
      this.schedule()
    })
    document.addEventListener('pointerdown', () => {
      board.touched()
      this.#pressedMs = performance.now()
    })
    for (const name of ['pointerup', 'pointercancel'] as const)
      document.addEventListener(name, () => {
        // The click that follows still belongs to what the finger has touched.
        setTimeout(() => {
          this.#pressedMs = undefined
          this.schedule()
        })
      })
  }

  /** Draws the board soon, once for all changes until then. */
  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    requestAnimationFrame(() => {
      this.#isScheduled = false
      // Nothing moves under a finger.
      const isPressed = this.#pressedMs !== undefined && performance.now() - this.#pressedMs < MAX_PRESS_MS
      if (!isPressed) this.#draw()
    })
  }

  #draw(): void {
    const focus = this.#focus()
    const panelBefore = nameOfPanel(this.#board)
    const wasOpen = this.#root.querySelector('.panel') !== null
    const drawnCount = longest(this.#root.querySelectorAll('.column ol'))
    const maxCount = drawnCount + ADDED_PER_FRAME
    render(boardView(this.#board, this.#keys.column, maxCount), this.#root)
    if (this.#board.columns().shown.some(({ orders }) => orders.length > maxCount)) this.schedule()
    this.#observeBar()
    const title = titleOf(this.#board)
    if (document.title !== title) document.title = title
    this.#notePlaces()
    if (focus && !this.#holdsFocus(focus)) this.#restoreFocus(focus)
    this.#focusPanel(panelBefore, wasOpen)
    this.#print()
  }

  /** A panel stands below the bar, which has two lines on some screens. */
  #observeBar(): void {
    const bar = this.#root.querySelector('.bar')
    if (!bar || this.#bar) return
    this.#bar = new ResizeObserver(() => {
      const height = `${bar.getBoundingClientRect().height}px`
      document.documentElement.style.setProperty('--bar-height', height)
    })
    this.#bar.observe(bar)
  }

  /** The ticket stays in the page until a touch, because some browsers print it later. */
  #print(): void {
    const { ticket } = this.#board
    if (ticket && ticket !== this.#printed) print()
    this.#printed = ticket
  }

  #focus(): Focus | undefined {
    const card = document.activeElement?.closest<HTMLElement>('[data-order]')
    const section = card?.closest<HTMLElement>('[data-column]')
    const column = columnNames.find(name => name === section?.dataset['column'])
    if (!card || !section || !column) return undefined
    const index = [...section.querySelectorAll('[data-order]')].indexOf(card)
    return { column, index, orderId: card.dataset['order'] ?? '' }
  }

  #holdsFocus({ column, orderId }: Focus): boolean {
    const card = document.activeElement?.closest<HTMLElement>(`[data-column="${column}"] [data-order]`)
    return card?.dataset['order'] === orderId
  }

  /** The button that had the focus is gone, because its card shows another one or has left. */
  #restoreFocus({ column, index, orderId }: Focus): void {
    const card = this.#root.querySelector(`[data-column="${column}"] [data-order="${orderId}"]`)
    if (card) buttonOf(card)?.focus()
    else this.#keys.restore(column, index)
  }

  /** Cards that stand elsewhere than before are deaf for a moment. */
  #notePlaces(): void {
    const places = new Map<string, string>()
    for (const section of this.#root.querySelectorAll<HTMLElement>('[data-column]')) {
      for (const [index, card] of section.querySelectorAll<HTMLElement>('[data-order]').entries()) {
        const orderId = card.dataset['order'] ?? ''
        const place = `${section.dataset['column']} ${index}`
        places.set(orderId, place)
        if (this.#places.get(orderId) !== place) this.#board.moved(orderId)
      }
    }
    this.#places = places
  }

  /**
   * The title of a panel gets the focus when it opens, and the former place when it closes. A
   * focus that is somewhere else meanwhile stays there.
   */
  #focusPanel(name: string, wasOpen: boolean): void {
    if (name === this.#opener?.name) return
    if (name !== '' && document.activeElement instanceof HTMLElement) {
      const element = wasOpen && this.#opener ? this.#opener.element : document.activeElement
      this.#opener = { element, name }
      this.#root.querySelector<HTMLElement>('#panel-title')?.focus()
    } else if (name === '' && this.#opener) {
      const isElsewhere = document.activeElement !== document.body
      if (!isElsewhere && this.#opener.element.isConnected) this.#opener.element.focus()
      this.#opener = undefined
    }
  }
}

function longest(lists: Iterable<Element>): number {
  return Math.max(0, ...Array.from(lists, ({ childElementCount }) => childElementCount))
}

function nameOfPanel({ panel }: Board): string {
  return panel?.name === 'order' ? panel.order_id : (panel?.name ?? '')
}

function titleOf(board: Board): string {
  const { all } = board.columns()
  const count = all.find(({ name }) => name === 'cook')?.orders.length ?? 0
  const state = board.isLive ? `(${count})` : '(not connected)'
  return `${state} ${board.state.restaurant?.name ?? 'Board'}`
}
