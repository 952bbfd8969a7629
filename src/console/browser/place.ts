/** Where the person is: the view and its filters, as in the URL. */
export interface Place {
  view: View
  /** of the view, without empty ones */
  filters: Readonly<Record<string, string>>
}

const views = [
  'overview',
  'search',
  'order',
  'jobs',
  'dead-letters',
  'quarantine',
  'webhooks',
  'actions',
  'runbook',
] as const

export type View = (typeof views)[number]

/** Reads the query of a URL; an unknown view is the overview. */
export function placeOf(query: string): Place {
  const { view, ...filters } = Object.fromEntries(new URLSearchParams(query))
  return { view: views.find(each => each === view) ?? 'overview', filters: withoutEmpty(filters) }
}

/** Returns the link to a place, relative to the page. */
export function linkTo(view: View, filters: Record<string, string | null | undefined> = {}): string {
  const values = withoutEmpty(filters)
  return `?${String(new URLSearchParams(view === 'overview' ? values : { view, ...values }))}`
}

/** Returns the operation of the API that a view shows, with its query. */
export function operationOf({ view, filters }: Place): string {
  const query = (values: Record<string, string>) => {
    const text = String(new URLSearchParams(values))
    return text && `?${text}`
  }
  switch (view) {
    case 'overview':
      return 'overview'
    case 'search':
      return `search${query({ q: filters['q'] ?? '' })}`
    case 'order':
      return `orders/${encodeURIComponent(filters['id'] ?? '')}`
    case 'jobs':
    case 'webhooks':
    case 'dead-letters':
      return `${view}${query({ ...filters })}`
    case 'quarantine':
      return `quarantined-events${query({ ...filters })}`
    case 'actions':
      return 'actions'
    case 'runbook':
      return ''
  }
}

function withoutEmpty(values: Record<string, string | null | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => Boolean(entry[1])),
  )
}
