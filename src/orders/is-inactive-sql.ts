/**
 * Returns the SQL condition that a restaurant or menu item takes no orders when the statement
 * starts, by the clock of Postgres. After `inactive_until` it does, whether a job has published the
 * return or not.
 * @param row alias of the table
 */
export const isInactiveSql = (row: string) =>
  `(${row}.deactivated_at is not null and coalesce(${row}.inactive_until > statement_timestamp(), true))`
