import { html, nothing, type TemplateResult } from 'lit-html'
import type { Action } from './api-types.ts'
import { changeControl } from './change.ts'
import { opsCurl } from './commands.ts'
import { moment } from './format.ts'
import { linkTo } from './place.ts'

/** The recent actions on everything that matched a filter, with their progress. */
export function actionsView(
  actions: readonly Action[],
  marked: string | undefined,
  nowMs: number,
): TemplateResult {
  return html`<h2 tabindex="-1">Actions</h2>
    ${actions.length === 0 ? html`<p>No action has been started.</p>` : nothing}
    <ul class="rows">
      ${actions.map(action => actionRow(action, action.action_id === marked, nowMs))}
    </ul>`
}

function actionRow(action: Action, isMarked: boolean, nowMs: number): TemplateResult {
  const { action_id, kind, status, matched_count, done_count, failed_count, skipped_count } = action
  const handled = done_count + failed_count + skipped_count
  const { failures, reason, created_by, created_at, error, ended_at, result } = action
  return html`<li class=${isMarked ? 'marked' : ''} data-status=${status}>
    <strong>${status}</strong> <a href=${linkTo('actions', { id: action_id })}>${kind}</a>
    <code>${JSON.stringify(action.filter)}</code>
    <p>
      <progress aria-label="Handled of ${kind}" max=${Math.max(1, matched_count)} value=${matched_count === 0 ? 1 : handled}></progress>
      ${handled} of ${matched_count}: ${done_count} done, ${failed_count} failed, ${skipped_count} skipped
    </p>
    ${ended_at !== null || error === null ? nothing : html`<p class="problem">Tries again with fewer objects: ${error}</p>`}
    ${result === null ? nothing : html`<p role=${isMarked ? 'status' : nothing}>${result}</p>`}
    <ul class="matches">
      ${Object.entries((failures ?? {}) as Record<string, number>).map(
        ([why, count]) => html`<li>${count} failed: ${why}</li>`,
      )}
    </ul>
    <span class="note">
      by ${created_by}: ${reason}; started ${moment(created_at, nowMs)}; ended ${moment(ended_at, nowMs)}
    </span>
    ${
      ended_at === null
        ? changeControl({
            title: 'Cancel',
            about: `the action ${action_id}`,
            path: `actions/${action_id}/cancel`,
            command: opsCurl(`actions/${action_id}/cancel`),
          })
        : nothing
    }
  </li>`
}
