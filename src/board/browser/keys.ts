import type { Board } from './board.ts'
import type { BoardOrder } from './board-state.ts'
import { canMove } from './card.ts'
import { actionOf, type ColumnName, columnNames } from './columns.ts'
import { printTicket } from './print-ticket.ts'

/** Works the board by keyboard or bump bar, whose keys are those of a keyboard. */
export class Keys {
  /** the column whose orders have the numbers 1 to 9 */
  column: ColumnName = 'cook'
  readonly #root: HTMLElement
  readonly #board: Board

  constructor(root: HTMLElement, board: Board) {
    this.#root = root
    this.#board = board
  }

  handle(event: KeyboardEvent): void {
    const isActivation = event.key === 'Enter' || event.key === ' '
    // A key that is held down acts once.
    if (event.repeat && (isActivation || /^\w$/.test(event.key))) return event.preventDefault()
    if (event.key === 'Escape') return this.#escape(event)
    if (event.altKey || event.ctrlKey || event.metaKey || isField(event.target)) return
    if (event.key.startsWith('Arrow')) return this.#move(event)
    if (!this.#board.settings.areKeysOn) return
    if (this.#act(event.key)) event.preventDefault()
  }

  #act(key: string): boolean {
    const board = this.#board
    if (/^[1-9]$/.test(key)) {
      this.#bump(this.#cards(this.column)[Number(key) - 1])
      return true
    }
    switch (key.toLowerCase()) {
      case 'u': {
        const id = board.gestures.undoLast()
        if (id) board.moved(id)
        return true
      }
      case 'r':
        return this.#recall()
      case 'p': {
        const order = this.#focused()
        if (order) void printTicket(board, order)
        return order !== undefined
      }
      case '/':
        this.#root.querySelector<HTMLElement>('#find')?.focus()
        return true
      case 's':
        if (board.can('inventory:read')) board.open({ name: 'stock' })
        return true
      case 'a':
        board.open({ name: 'counts' })
        return true
      case '?':
        board.open({ name: 'keys' })
        return true
      default:
        return false
    }
  }

  /** Does what the button of the card does. */
  #bump(card: HTMLElement | undefined): void {
    const order = this.#board.state.orders.get(card?.dataset['order'] ?? '')
    if (!order) return
    if (order.status === 'CANCELLED') return this.#board.acknowledge(order.order_id)
    const action = actionOf[this.column]
    if (order.status !== 'PLACED' && canMove(this.#board, action)) this.#board.act(order, action)
  }

  /** The order whose card has the focus. @param within selects the cards that count */
  #focused(within = ''): BoardOrder | undefined {
    const card = document.activeElement?.closest<HTMLElement>(`${within}[data-order]`)
    return this.#board.state.orders.get(card?.dataset['order'] ?? '')
  }

  #recall(): boolean {
    const order = this.#focused('.column.ready ')
    if (order && canMove(this.#board, 'recall')) this.#board.act(order, 'recall')
    return order !== undefined
  }

  #escape(event: KeyboardEvent): void {
    if (this.#board.panel) this.#board.open(undefined)
    else if (isField(event.target)) {
      this.#board.search.change('', this.#board.search.columnFilter)
      this.#focusCard(this.column, 0)
    }
  }

  #move(event: KeyboardEvent): void {
    if (document.activeElement?.closest('.panel, .bar')) return
    event.preventDefault()
    const current = document.activeElement?.closest<HTMLElement>('[data-order]')
    const index = current ? this.#cards(this.column).indexOf(current) : -1
    if (event.key === 'ArrowDown') this.#focusCard(this.column, index + 1)
    else if (event.key === 'ArrowUp') this.#focusCard(this.column, index - 1)
    else this.#toColumn(event.key === 'ArrowRight' ? 1 : -1, Math.max(0, index))
  }

  #toColumn(direction: 1 | -1, index: number): void {
    const drawn = columnNames.filter(name => this.#section(name))
    const name = drawn[drawn.indexOf(this.column) + direction]
    if (name) this.#focusCard(name, index)
  }

  /** Focuses the button of a card, or the title of a column without cards. */
  #focusCard(name: ColumnName, index: number): void {
    this.column = name
    this.#board.open(this.#board.panel)
    const cards = this.#cards(name)
    const card = cards[Math.min(Math.max(index, 0), cards.length - 1)]
    const target = card ? buttonOf(card) : this.#section(name)?.querySelector<HTMLElement>('h2')
    target?.focus()
    target?.scrollIntoView({ block: 'nearest' })
  }

  /** The focus is in a card: its column gets the numbers. */
  focused(target: EventTarget | null): void {
    const section = (target as Element | null)?.closest<HTMLElement>('[data-column]')
    const name = columnNames.find(column => column === section?.dataset['column'])
    if (name) this.column = name
  }

  /** The focus was in a card that is gone: the next card of its column gets it. */
  restore(name: ColumnName, index: number): void {
    this.#focusCard(name, index)
  }

  #section(name: ColumnName): HTMLElement | null {
    return this.#root.querySelector(`[data-column="${name}"]`)
  }

  #cards(name: ColumnName): HTMLElement[] {
    return [...(this.#section(name)?.querySelectorAll<HTMLElement>('[data-order]') ?? [])]
  }
}

export function buttonOf(card: Element): HTMLElement | null {
  return card.querySelector<HTMLElement>('.actions button')
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input, select, textarea')
}
