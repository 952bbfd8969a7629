import { type ColumnName, columnNames } from './columns.ts'

/** The text to search for and the column that is shown, which stand in the URL. */
export class Search {
  query = ''
  /** undefined: all columns */
  columnFilter: ColumnName | undefined
  readonly #onChange: () => void

  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  change(query: string, columnFilter: ColumnName | undefined): void {
    this.query = query
    this.columnFilter = columnFilter
    const url = new URL(location.href)
    setParameter(url, 'find', query)
    setParameter(url, 'show', columnFilter ?? '')
    history.replaceState(null, '', url)
    this.#onChange()
  }

  readUrl(): void {
    const parameters = new URL(location.href).searchParams
    this.query = parameters.get('find') ?? ''
    this.columnFilter = columnNames.find(name => name === parameters.get('show'))
  }
}

function setParameter({ searchParams }: URL, name: string, value: string): void {
  if (value === '') searchParams.delete(name)
  else searchParams.set(name, value)
}
