import { expect } from 'chai'
import fc from 'fast-check'
import { formatMoney, isCurrency, MAX_PRICE_MINOR, parseMoney } from '../../src/platform/money.ts'

describe('money', () => {
  it('formats minor units with the decimals of the currency', () => {
    expect(formatMoney(1250, 'EUR')).to.equal('12.50')
    expect(formatMoney(5, 'EUR')).to.equal('0.05')
    expect(formatMoney(0, 'EUR')).to.equal('0.00')
    expect(formatMoney(1250, 'JPY')).to.equal('1250')
    expect(formatMoney(1250, 'KWD')).to.equal('1.250')
  })

  it('parses decimal strings and numbers', () => {
    expect(parseMoney('12.5', 'EUR')).to.equal(1250)
    expect(parseMoney(12.5, 'EUR')).to.equal(1250)
    expect(parseMoney('1250', 'JPY')).to.equal(1250)
    expect(parseMoney('1.001', 'KWD')).to.equal(1001)
  })

  it('rejects amounts that the currency cannot represent', () => {
    for (const amount of [
      '12.505',
      0.1 + 0.2,
      '-1',
      -1,
      '1e3',
      1e21,
      '',
      ' 1',
      '1.',
      '.5',
      '1,5',
      'NaN',
      Number.NaN,
    ]) {
      expect(parseMoney(amount, 'EUR'), String(amount)).to.equal(null)
    }
    expect(parseMoney('12.5', 'JPY')).to.equal(null)
    expect(parseMoney(String(MAX_PRICE_MINOR), 'EUR')).to.equal(null)
  })

  it('survives formatting and parsing in every currency', () => {
    const currencies = fc.constantFrom('EUR', 'JPY', 'KWD', 'USD', 'BHD')
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_PRICE_MINOR }), currencies, (minor, currency) => {
        expect(parseMoney(formatMoney(minor, currency), currency)).to.equal(minor)
      }),
    )
  })

  it('recognises currency codes', () => {
    expect(isCurrency('EUR')).to.equal(true)
    expect(isCurrency('XQX')).to.equal(false)
  })
})
