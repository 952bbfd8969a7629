import type { Board } from './board.ts'
import type { BoardOrder } from './board-state.ts'
import { canMove } from './card.ts'
import { actionOf, type ColumnName, columnNames } from './columns.ts'
import { type Command, commandOf, isSlot } from './keymap.ts'
import { printTicket } from './print-ticket.ts'

const MODIFIER = /^(Shift|Control|Alt|AltGraph|Meta)$/

type Direction = 'previous' | 'next' | 'up' | 'down'

function isDirection(command: Command): command is Direction {
  return ['previous', 'next', 'up', 'down'].includes(command)
}

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
    const board = this.#board
    if (board.recorder.command && event.key !== 'Tab') {
      event.preventDefault()
      if (!event.repeat && !MODIFIER.test(event.key)) board.recorder.press(event.key)
      return
    }
    if (event.key === 'Escape') return this.#escape(event)
    if (event.altKey || event.ctrlKey || event.metaKey || isField(event.target)) return
    const command = commandOf(board.settings.keys, event.key)
    const isActivation = event.key === 'Enter' || event.key === ' '
    // A key that is held down acts once.
    if (event.repeat && (isActivation || (command && !isDirection(command)))) return event.preventDefault()
    if (!command || !(board.settings.areKeysOn || event.key.startsWith('Arrow'))) return
    if (this.#act(command)) event.preventDefault()
  }

  /** @returns whether there was something to do */
  #act(command: Command): boolean {
    const board = this.#board
    if (isSlot(command)) {
      this.#bump(this.#cards(this.column)[Number(command.slice('slot'.length)) - 1])
      return true
    }
    switch (command) {
      case 'previous':
      case 'next':
      case 'up':
      case 'down':
        return this.#move(command)
      case 'move': {
        const button = document.activeElement?.closest<HTMLElement>('[data-order] button')
        button?.click()
        return button != null
      }
      case 'undo': {
        const id = board.gestures.undoLast()
        if (id) board.moved(id)
        return true
      }
      case 'recall':
        return this.#recall()
      case 'print': {
        const order = this.#focused()
        if (order) void printTicket(board, order)
        return order !== undefined
      }
      case 'find':
        this.#root.querySelector<HTMLElement>('#find')?.focus()
        return true
      case 'stock':
        if (board.can('inventory:read')) board.open({ name: 'stock' })
        return true
      case 'counts':
      case 'keys':
        board.open({ name: command })
        return true
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

  #move(direction: Direction): boolean {
    if (document.activeElement?.closest('.panel, .bar')) return false
    const current = document.activeElement?.closest<HTMLElement>('[data-order]')
    const index = current ? this.#cards(this.column).indexOf(current) : -1
    if (direction === 'down') this.#focusCard(this.column, index + 1)
    else if (direction === 'up') this.#focusCard(this.column, index - 1)
    else this.#toColumn(direction === 'next' ? 1 : -1, Math.max(0, index))
    return true
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
