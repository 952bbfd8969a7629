/** What a key can do, in the order in which the keys are listed. */
export const commands = [
  'slot1',
  'slot2',
  'slot3',
  'slot4',
  'slot5',
  'slot6',
  'slot7',
  'slot8',
  'slot9',
  'previous',
  'next',
  'up',
  'down',
  'move',
  'recall',
  'undo',
  'print',
  'find',
  'stock',
  'counts',
  'keys',
] as const
export type Command = (typeof commands)[number]

/** The keys that a screen has of its own, as `KeyboardEvent.key` names them. */
export type KeyMap = Readonly<Partial<Record<Command, string>>>

const slots = [1, 2, 3, 4, 5, 6, 7, 8, 9] as const
/** A command that moves on the order with this number in its column. */
type Slot = `slot${(typeof slots)[number]}`
const slotKeys = Object.fromEntries(slots.map(slot => [`slot${slot}`, String(slot)])) as Record<Slot, string>

const defaults: Record<Command, string> = {
  ...slotKeys,
  previous: 'ArrowLeft',
  next: 'ArrowRight',
  up: 'ArrowUp',
  down: 'ArrowDown',
  move: 'Enter',
  recall: 'r',
  undo: 'u',
  print: 'p',
  find: '/',
  stock: 's',
  counts: 'a',
  keys: '?',
}

const slotTexts = Object.fromEntries(
  slots.map(slot => [`slot${slot}`, `moves on order ${slot} of the column`]),
) as Record<Slot, string>

export const commandTexts: Record<Command, string> = {
  ...slotTexts,
  previous: 'goes to the column before, whose orders get the numbers',
  next: 'goes to the next column, whose orders get the numbers',
  up: 'goes to the order before',
  down: 'goes to the next order',
  move: 'presses the button with the frame',
  recall: 'takes an order back from Ready',
  undo: 'takes the last change back',
  print: 'prints the ticket of the order with the frame',
  find: 'finds orders',
  stock: 'opens the stock',
  counts: 'opens the counts',
  keys: 'opens this list',
}

/** Keys of the browser: people without a pointer need them, or they are pressed with others. */
const RESERVED = /^(Tab|Escape|Shift|Control|Alt|AltGraph|Meta|CapsLock|Dead|Unidentified)$/

export function isSlot(command: Command): command is Slot {
  return command.startsWith('slot')
}

/** Returns the key of a command. */
export function keyOf(map: KeyMap, command: Command): string {
  return map[command] ?? defaults[command]
}

/** Returns the key of the order with this number in its column. */
export function slotKeyOf(map: KeyMap, slot: number): string | undefined {
  const command = commands.find(name => name === `slot${slot}`)
  return command && keyOf(map, command)
}

/** Returns what a key does, if anything. */
export function commandOf(map: KeyMap, key: string): Command | undefined {
  const wanted = normalized(key)
  return commands.find(command => keyOf(map, command) === wanted)
}

/**
 * Gives a command another key.
 * @returns the new keys, or why the command cannot have this one
 */
export function remap(map: KeyMap, command: Command, key: string): KeyMap | string {
  const wanted = normalized(key)
  if (RESERVED.test(wanted) || ([' ', 'Enter'].includes(wanted) && command !== 'move'))
    return `${labelOf(wanted)} is a key of the browser. Press another key.`
  const other = commandOf(map, wanted)
  if (other !== undefined && other !== command)
    return `${labelOf(wanted)} ${commandTexts[other]} already. Press another key, or change that one first.`
  return { ...map, [command]: wanted }
}

const labels: Record<string, string> = {
  ArrowLeft: '←',
  ArrowRight: '→',
  ArrowUp: '↑',
  ArrowDown: '↓',
  ' ': 'Space',
}

/** Returns a key as people call it, e.g. `U`, `←` or `F5`. */
export function labelOf(key: string): string {
  return labels[key] ?? (key.length === 1 ? key.toUpperCase() : key)
}

/** Letters do the same with and without Shift. */
function normalized(key: string): string {
  return key.length === 1 ? key.toLowerCase() : key
}
