import { z } from 'zod'
import { timestamp } from '../../http/schema-fields.ts'
import type { View } from '../views/view.ts'

/** How a column of a view is read and presented. */
interface Field<Value> {
  schema: z.ZodType<Value>
  example: Value
  /** whether node-postgres returns the number as text */
  isNumeric?: boolean
}

type Fields = Record<string, Field<unknown>>

/** A row as JSON: times in RFC 3339, amounts as numbers. */
type RowOf<Columns extends Fields> = {
  [Column in keyof Columns]: Columns[Column] extends Field<infer Value> ? Value : never
}

export const text = (example: string): Field<string> => ({ schema: z.string(), example })
export const id = (example: string): Field<string> => ({ schema: z.uuid(), example })
export const integer = (example: number): Field<number> => ({ schema: z.int(), example })
export const number = (example: number): Field<number> => ({ schema: z.number(), example, isNumeric: true })
export const time = (example: string): Field<string> => ({ schema: timestamp('Time'), example })
/** Any JSON value. */
export const json = (example: unknown): Field<unknown> => ({ schema: z.unknown(), example })
export const orNull = <Value>(field: Field<Value>): Field<Value | null> => ({
  ...field,
  schema: field.schema.nullable(),
})

/** Rows of a view as the API returns them. */
export interface Rows<Row> {
  schema: z.ZodType<Row>
  example: Row
  /** the columns, for `select` */
  columns: string
  present: (row: Record<string, unknown>) => Row
}

/**
 * Describes rows of a view by the comments of the view, so that the API and `\d+` say the same.
 * @param name of the schema in the OpenAPI document
 * @param more descriptions of columns that are not of the view
 */
export function rowsOf<Columns extends Fields>(
  name: string,
  { comment, columns: comments }: Pick<View, 'comment' | 'columns'>,
  fields: Columns,
  more: Record<string, string> = {},
): Rows<RowOf<Columns>> {
  const entries = Object.entries(fields)
  const shape = entries.map(([column, { schema, example }]) => {
    const description = more[column] ?? comments[column]
    if (description === undefined) throw new Error(`${name}.${column} has no description`)
    return [column, schema.meta({ description: capitalize(description), example })]
  })
  return {
    schema: z.object(Object.fromEntries(shape) as Record<string, z.ZodType>).meta({
      id: name,
      description: comment,
    }) as unknown as z.ZodType<RowOf<Columns>>,
    example: Object.fromEntries(entries.map(([column, { example }]) => [column, example])) as RowOf<Columns>,
    columns: Object.keys(fields).join(', '),
    present: row =>
      Object.fromEntries(
        entries.map(([column, field]) => [column, presentValue(field, row[column])]),
      ) as RowOf<Columns>,
  }
}

function presentValue({ isNumeric }: Field<unknown>, value: unknown): unknown {
  if (value instanceof Date) return value.toISOString()
  return isNumeric && value !== null ? Number(value) : (value ?? null)
}

function capitalize(description: string): string {
  return description.charAt(0).toUpperCase() + description.slice(1)
}
