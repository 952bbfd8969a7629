import { expect } from 'chai'
import fc from 'fast-check'
import { iso4217 } from '../../src/platform/iso-4217.ts'
import { formatMoney, MAX_PRICE_MINOR, parseMoney } from '../../src/platform/money.ts'

describe('money', () => {
  it('formats minor units with the given decimals', () => {
    expect(formatMoney(1250, 2)).to.equal('12.50')
    expect(formatMoney(5, 2)).to.equal('0.05')
    expect(formatMoney(0, 2)).to.equal('0.00')
    expect(formatMoney(1250, 0)).to.equal('1250')
    expect(formatMoney(1250, 3)).to.equal('1.250')
    expect(formatMoney(1250, 4)).to.equal('0.1250')
  })

  it('parses decimal strings and numbers', () => {
    expect(parseMoney('12.5', 2)).to.equal(1250)
    expect(parseMoney(12.5, 2)).to.equal(1250)
    expect(parseMoney('1250', 0)).to.equal(1250)
    expect(parseMoney('1.001', 3)).to.equal(1001)
  })

  it('rejects amounts that are malformed, negative, too large or too precise', () => {
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
      expect(parseMoney(amount, 2), String(amount)).to.equal(null)
    }
    expect(parseMoney('12.5', 0)).to.equal(null)
    expect(parseMoney(String(MAX_PRICE_MINOR), 2)).to.equal(null)
  })

  it('parses what it formats, in every currency of ISO 4217', () => {
    for (const [currency, decimals] of iso4217) {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: MAX_PRICE_MINOR }), minor => {
          expect(parseMoney(formatMoney(minor, decimals), decimals), currency).to.equal(minor)
        }),
        { numRuns: 20 },
      )
    }
  })
})

describe('the table of ISO 4217', () => {
  it('has the decimals of the standard where Intl has others or does not know the code', () => {
    const expected = {
      ...decimalsOf(2, 'AFN ALL COP HUF IDR IRR KPW LAK LBP MGA MMK PKR SOS SYP YER'),
      ...decimalsOf(2, 'CHE CHW USN VED XAD XCG'),
      ...decimalsOf(3, 'IQD'),
      ...decimalsOf(4, 'CLF UYW'),
    }
    const found = Object.fromEntries(Object.keys(expected).map(code => [code, iso4217.get(code)]))
    expect(found).to.deep.equal(expected)
  })

  it('has the common currencies with 0, 2 and 3 decimals', () => {
    const expected = {
      ...decimalsOf(0, 'CLP ISK JPY KRW UYI VND XAF XOF XPF'),
      ...decimalsOf(2, 'CHF EUR GBP MXN USD UYU'),
      ...decimalsOf(3, 'BHD JOD KWD LYD OMR TND'),
    }
    const found = Object.fromEntries(Object.keys(expected).map(code => [code, iso4217.get(code)]))
    expect(found).to.deep.equal(expected)
    expect(iso4217.size).to.equal(165)
  })

  it('excludes historic codes and codes without a minor unit', () => {
    for (const code of ['ANG', 'BGN', 'CUC', 'HRK', 'SLL', 'ZWL', 'XAU', 'XDR', 'XSU', 'XTS', 'XXX', 'XQX'])
      expect(iso4217.has(code), code).to.equal(false)
  })

  it('does not change with the Intl of the Node binary', async () => {
    const original = globalThis.Intl
    try {
      Object.defineProperty(globalThis, 'Intl', { value: undefined, configurable: true, writable: true })
      const path = '../../src/platform/iso-4217.ts?without-intl'
      const loaded = (await import(path)) as { iso4217: typeof iso4217 }
      expect([...loaded.iso4217]).to.deep.equal([...iso4217])
    } finally {
      globalThis.Intl = original
    }
  })
})

function decimalsOf(decimals: number, codes: string): Record<string, number> {
  return Object.fromEntries(codes.split(' ').map(code => [code, decimals]))
}
