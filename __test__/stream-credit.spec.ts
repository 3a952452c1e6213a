// Word of room for a part that comes when nobody waits for room: from another thread, whenever it likes.
import { afterEach, expect, test, vi } from 'vitest'
import { Parts } from '../ts/agent/parts.ts'
import { native } from '../ts/native.ts'
import { turn } from './helpers/bus.ts'

const OPEN = 0
const WAIT = 1

afterEach(() => vi.restoreAllMocks())

/** Sends an answer whose source the test leads; `flow` is what the native side says before each part. */
function sending(...flow: number[]): {
  parts: Parts
  next: (step: IteratorResult<unknown>) => Promise<void>
  sent: unknown[]
  ended: Promise<unknown>
  stopped: () => number
} {
  const said = vi.spyOn(native, 'flow').mockReturnValue(OPEN)
  for (const each of flow) said.mockReturnValueOnce(each)
  const sent: unknown[] = []
  vi.spyOn(native, 'part').mockImplementation((_port, _ticket, part) => sent.push(part) && OPEN)
  const nothing = (): void => {}
  const parts = new Parts(1, 1, 1 << 20, { leave: nothing, unsent: nothing, late: nothing })
  const asked: ((step: IteratorResult<unknown>) => void)[] = []
  let stopped = 0
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<IteratorResult<unknown>>((resolve) => asked.push(resolve)),
      return: async () => ({ done: true as const, value: (stopped += 1) }),
    }),
  }
  const next = async (step: IteratorResult<unknown>): Promise<void> => {
    await turn()
    asked.shift()!(step)
    await turn()
  }
  return { parts, next, sent, ended: parts.send(source), stopped: () => stopped }
}

test('ends no waiting for the next part', async () => {
  const { parts, next, sent, ended } = sending()
  await turn() // the source is asked, and takes its time
  parts.goOn()
  await next({ done: false, value: 'one' })
  parts.goOn()
  parts.goOn()
  await next({ done: false, value: 'two' })
  parts.goOn()
  await next({ done: true, value: 'end' })
  parts.goOn()
  expect(await ended).toMatchObject({ how: 'whole', value: 'end' })
  expect(sent).toEqual(['"one"', '"two"'])
})

test('ends the waiting for room, once there is some, and no other after it', async () => {
  const { parts, next, sent, ended } = sending(WAIT, WAIT)
  await turn()
  parts.goOn() // and still there is none
  await turn()
  parts.goOn()
  parts.goOn()
  await next({ done: false, value: 'one' })
  await next({ done: true, value: undefined })
  expect(await ended).toMatchObject({ how: 'whole', value: undefined })
  expect(sent).toEqual(['"one"'])
})

test('a caller that takes no more ends either', async () => {
  for (const flow of [[], [WAIT]]) {
    const { parts, sent, ended, stopped } = sending(...flow)
    await turn()
    parts.goOn()
    parts.stop()
    expect(await ended).toMatchObject({ how: 'stopped' })
    expect([sent, stopped()]).toEqual([[], 1])
  }
})
