/** Who uses the page, and what this caller may do. */
export interface Session {
  scopes: readonly string[]
  /** null: all restaurants */
  restaurants: readonly string[] | null
  /** The database has the demo restaurant, and orders for it cost nothing. */
  demo: boolean
  /** by a session of this browser, which can be ended here */
  signed_in: boolean
}
