import { expect } from 'chai'
import { KeyRecorder } from '../../src/board/browser/key-recorder.ts'
import {
  commandOf,
  commands,
  type KeyMap,
  keyOf,
  labelOf,
  remap,
  slotKeyOf,
} from '../../src/board/browser/keymap.ts'

describe('the keys of the board', () => {
  it('have one command each, and letters are the same with Shift', () => {
    const keys = commands.map(command => keyOf({}, command))
    expect(new Set(keys).size).to.equal(commands.length)
    for (const command of commands) expect(commandOf({}, keyOf({}, command))).to.equal(command)
    expect(commandOf({}, 'U')).to.equal('undo')
    expect(commandOf({}, 'F7')).to.equal(undefined)
    expect([slotKeyOf({}, 9), slotKeyOf({}, 10)]).to.deep.equal(['9', undefined])
    expect(['u', 'ArrowLeft', ' ', 'F7'].map(labelOf)).to.deep.equal(['U', '←', 'Space', 'F7'])
  })

  it('can be changed for a screen, which frees the former key', () => {
    const map = remap({}, 'slot1', 'Q') as KeyMap
    expect(map).to.deep.equal({ slot1: 'q' })
    expect([commandOf(map, 'q'), commandOf(map, '1')]).to.deep.equal(['slot1', undefined])
    expect(remap(map, 'undo', '1')).to.deep.equal({ slot1: 'q', undo: '1' })
    expect(remap(map, 'slot1', 'q')).to.deep.equal(map)
  })

  it('are refused when another command has them, or the browser needs them', () => {
    expect(remap({}, 'slot1', 'u')).to.match(/^U takes the last change back already\. Press another key/)
    for (const key of ['Tab', 'Shift', 'Enter', ' '])
      expect(remap({}, 'slot1', key)).to.match(/of the browser/)
    expect(remap({}, 'move', ' ')).to.deep.equal({ move: ' ' })
  })

  it('are recorded one at a time, until one is free or Escape is pressed', () => {
    let keys: KeyMap = {}
    const recorder = new KeyRecorder({
      keys: () => keys,
      save: saved => (keys = saved),
      onChange: () => undefined,
    })
    recorder.press('x')
    recorder.start('slot2')
    recorder.press('r')
    expect([recorder.command, keys]).to.deep.equal(['slot2', {}])
    expect(recorder.problem).to.match(/^R takes an order back/)
    recorder.press('w')
    expect([recorder.command, recorder.problem, keys]).to.deep.equal([undefined, undefined, { slot2: 'w' }])
    recorder.start('slot2')
    recorder.press('Escape')
    expect(keys).to.deep.equal({ slot2: 'w' })
    recorder.reset()
    expect(keys).to.deep.equal({})
  })
})
