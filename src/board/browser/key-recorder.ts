import { type Command, type KeyMap, remap } from './keymap.ts'

interface KeyRecorderOptions {
  keys: () => KeyMap
  save: (keys: KeyMap) => void
  onChange: () => void
}

/** Waits for a person to press the key that a command gets. */
export class KeyRecorder {
  /** the command that gets the next key */
  command: Command | undefined
  /** why the last key was refused */
  problem: string | undefined
  readonly #options: KeyRecorderOptions

  constructor(options: KeyRecorderOptions) {
    this.#options = options
  }

  start(command: Command): void {
    this.#set(command, undefined)
  }

  cancel(): void {
    this.#set(undefined, undefined)
  }

  /** All commands have their first keys again. */
  reset(): void {
    this.#options.save({})
    this.cancel()
  }

  /** @param key as `KeyboardEvent.key` names it */
  press(key: string): void {
    if (!this.command) return
    if (key === 'Escape') return this.cancel()
    const keys = remap(this.#options.keys(), this.command, key)
    if (typeof keys === 'string') return this.#set(this.command, keys)
    this.#options.save(keys)
    this.cancel()
  }

  #set(command: Command | undefined, problem: string | undefined): void {
    this.command = command
    this.problem = problem
    this.#options.onChange()
  }
}
