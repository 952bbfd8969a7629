/** A view of the schema `ops`, with a comment on every column. */
export interface View {
  name: string
  /** comment on the view, shown by `\d+` */
  comment: string
  /** comment on each column, in the order of the columns */
  columns: Record<string, string>
  /** query that returns these columns in this order */
  sql: string
}

/** Returns the statements that create a view and its comments. */
export function createViewSql({ name, comment, columns, sql }: View): string[] {
  return [
    `create view ops.${name} (${Object.keys(columns).join(', ')}) as ${sql}`,
    `comment on view ops.${name} is ${quote(comment)}`,
    ...Object.entries(columns).map(
      ([column, text]) => `comment on column ops.${name}.${column} is ${quote(text)}`,
    ),
  ]
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
