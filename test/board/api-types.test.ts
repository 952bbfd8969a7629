import { expect } from 'chai'
import type * as page from '../../src/board/browser/api-types.ts'
import type { CloudEvent } from '../../src/events/cloud-event.ts'
import type { MenuItemReply, RestaurantReply } from '../../src/inventory/stock-contract.ts'
import type { OrderReply } from '../../src/orders/order-contract.ts'

/** What the API sends, by what the page takes it for. */
interface Sent {
  order: OrderReply
  restaurant: RestaurantReply
  item: MenuItemReply
  restaurantChanged: CloudEvent<'restaurant.changed.v1'>['data']
  event: CloudEvent
  placed: CloudEvent<'order.placed.v1'>['data']
  step: CloudEvent<
    | 'order.status.preparing.v1'
    | 'order.status.out_for_delivery.v1'
    | 'order.status.delivered.v1'
    | 'order.ready.v1'
    | 'order.unready.v1'
    | 'order.cancelled.v1'
  >['data']
}

interface Taken {
  order: page.Order
  restaurant: page.Restaurant
  item: page.MenuItem
  restaurantChanged: page.RestaurantChangedData
  event: page.CloudEvent
  placed: page.PlacedData
  step: page.StepData
}

describe('the types of the page', () => {
  it('fit what the API sends, which the compiler checks', () => {
    const take = (sent: Sent): Taken => sent
    expect(take).to.be.a('function')
  })
})
