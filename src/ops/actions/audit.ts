import type { Tx } from '../../db/transaction.ts'
import { newId } from '../../platform/ids.ts'

/** The operator who makes a manual change, and the reason. */
export interface Operator {
  actor: string
  reason: string
}

/** Records a manual change in `ops_audit`, in the transaction of the change. */
export async function audit(tx: Tx, operator: Operator, action: string, details: object): Promise<void> {
  await tx.execute(auditSql, [newId(), operator.actor, action, operator.reason, details])
}

const auditSql = `
  insert into ops_audit (audit_id, actor, action, reason, details)
  values ($1, $2, $3, $4, $5)
`
