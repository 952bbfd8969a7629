import type { Tx } from '../../db/transaction.ts'
import { newId } from '../../platform/ids.ts'

/** The operator who makes a manual change, and the reason. */
export interface Operator {
  actor: string
  reason: string
  /** the action on many objects that the change is a part of */
  action_id?: string
}

/** Records a manual change in `ops_audit`, in the transaction of the change. */
export async function audit(tx: Tx, operator: Operator, action: string, details: object): Promise<void> {
  const { actor, reason, action_id } = operator
  await tx.execute(auditSql, [
    newId(),
    actor,
    action,
    reason,
    action_id ? { action_id, ...details } : details,
  ])
}

const auditSql = `
  insert into ops_audit (audit_id, actor, action, reason, details)
  values ($1, $2, $3, $4, $5)
`
