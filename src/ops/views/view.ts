/** A view in the schema `ops`: an interface for operators, documented down to its columns. */
export interface View {
  name: string
  /** what it shows, as operators read it in `\d+` */
  comment: string
  /** every column, in order, with what it holds */
  columns: Record<string, string>
  /** the query; its columns are those above, in that order */
  sql: string
}

/** The statements that create a view and write down what it is. */
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
