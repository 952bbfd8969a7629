import { constants, getPriority, setPriority } from 'node:os'

/**
 * Lowers the priority of this process below the API's: on a busy machine the asynchronous pipeline
 * waits rather than a client. A lower priority stays, because raising it needs a privilege.
 */
export function lowerPriority(): void {
  const { PRIORITY_BELOW_NORMAL } = constants.priority
  if (getPriority() < PRIORITY_BELOW_NORMAL) setPriority(PRIORITY_BELOW_NORMAL)
}
