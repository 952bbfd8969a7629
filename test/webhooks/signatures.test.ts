import { expect } from 'chai'
import { Webhook } from 'standardwebhooks'
import { signatureHeaders } from '../../src/webhooks/delivery/send.ts'
import { newSecret } from '../../src/webhooks/webhook-secret.ts'

describe('signatures of deliveries', () => {
  it('match the test vector of Standard Webhooks', () => {
    const at = new Date(1_614_265_330_000)
    const delivery_id = 'msg_p5jXN8AQM9LWM0D4loKWxJek'
    const secrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']
    expect(signatureHeaders({ delivery_id, secrets, body: '{"test": 2432232314}' }, at)).to.deep.equal({
      'webhook-id': delivery_id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
  })

  it('verify in the Standard Webhooks library with each secret and with no other', () => {
    const [one, two, other] = [newSecret(), newSecret(), newSecret()]
    const body = JSON.stringify({ name: 'Café 🍕' })
    const headers = signatureHeaders({ delivery_id: 'd', secrets: [one, two], body }, new Date())
    for (const secret of [one, two])
      expect(new Webhook(secret).verify(body, headers)).to.deep.equal(JSON.parse(body))
    expect(() => new Webhook(other).verify(body, headers)).to.throw('No matching signature')
    expect(() => new Webhook(one).verify(`${body} `, headers)).to.throw('No matching signature')
    const old = signatureHeaders(
      { delivery_id: 'd', secrets: [one], body },
      new Date(Date.now() - 6 * 60_000),
    )
    expect(() => new Webhook(one).verify(body, old)).to.throw('too old')
  })
})
