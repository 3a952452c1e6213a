// Machines that do not reach each other for a while, and ways that delay, stand still and break: every call ends, and none is run
// twice. XBIND_CHAOS says how often each happens.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Crew, pause, table, unforeseen, type Outage } from './helpers/nats-chaos'
import { cluster, type Cluster } from './helpers/nats-server'
import { network } from './helpers/network'
import { wayTo, type Way } from './helpers/tcp-way'

const TIMES = Number(process.env['XBIND_CHAOS'] ?? 1)
/** How long what is wrong lasts, in turn: shorter than anybody waits for another one, and longer. */
const SECONDS = [3, 8, 14, 1]
const secondsOf = (round: number): number => SECONDS[round % SECONDS.length] ?? 3

const outages = new Map<string, Outage[]>()
afterAll(() => console.log(table('What was parted under a load of 100 calls a second (three servers)', outages)))

async function again(crew: Crew, what: string, wrong: () => unknown, right: () => void): Promise<Outage[]> {
  const all: Outage[] = []
  outages.set(what, all)
  for (let round = 0; round < TIMES; round++) {
    const event = async (): Promise<void> => {
      await wrong()
      await pause(secondsOf(round) * 1000)
      right()
    }
    all.push(await crew.survive(event, async () => undefined))
  }
  return all
}

const made = network(4)
if (typeof made === 'string') console.log(`nothing is parted: ${made}`)

describe.skipIf(typeof made === 'string')('four machines: three with a server and a worker, and the caller', () => {
  const net = made as Exclude<typeof made, string>
  let servers: Cluster
  let crew: Crew
  beforeAll(async () => {
    servers = await cluster(net.places)
    crew = new Crew(servers)
    await crew.begin(net.places)
  })
  afterAll(async () => {
    await crew.close()
    await servers.kill()
    net.close()
  })

  const CALLER = 3
  const parted: Record<string, () => Promise<number[][]>> = {
    'a machine from all others': async () => [[1]],
    'the machine of the leader': async () => [[await crew.leader()]],
    'the caller and one server from the others': async () => [[CALLER, await crew.serverOf(crew.caller)]],
    'the caller from all': async () => [[CALLER]],
    'every machine from every other': async () => [[0], [1], [2], [CALLER]],
  }

  test.for(Object.keys(parted))('%s', { timeout: 180_000 * TIMES }, async (what) => {
    const all = await again(
      crew,
      what,
      async () => net.part(...(await parted[what]!())),
      () => net.heal(),
    )
    expect(unforeseen(all)).toEqual([])
  })

  test('after all that, every call has ended, and none was run twice', { timeout: 120_000 }, async () => {
    const { calls, wrong } = await crew.end()
    expect(wrong).toEqual([])
    expect(calls).toBeGreaterThan(200)
  })
})

describe('the ways of all to their servers', () => {
  let servers: Cluster
  let crew: Crew
  let ways: Way[]
  let seed = 1
  /** Mostly at once, sometimes late, and now and then as late as what was lost and is sent again. */
  const delayMs = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    const roll = seed % 1000
    return roll < 5 ? 300 : roll < 300 ? roll % 30 : 0
  }
  beforeAll(async () => {
    servers = await cluster(undefined, '--no_advertise')
    ways = await Promise.all(servers.urls.map((url) => wayTo(Number(new URL(url).port), delayMs)))
    crew = new Crew(
      servers,
      ways.map(({ port }) => `nats://127.0.0.1:${port}`),
    )
    await crew.begin()
  })
  afterAll(async () => {
    await crew.close()
    ways.forEach((way) => way.close())
    await servers.kill()
  })

  test('stand still', { timeout: 180_000 * TIMES }, async () => {
    const mine = await crew.serverOf(crew.caller)
    const all = await again(
      crew,
      "the caller's way stands still",
      () => ways[mine]!.hold(),
      () => ways[mine]!.release(),
    )
    expect(unforeseen(all)).toEqual([])
  })

  test('break, all at once', { timeout: 180_000 * TIMES }, async () => {
    let cutting: NodeJS.Timeout | undefined
    const all = await again(
      crew,
      'all ways break twice a second',
      () => void (cutting = setInterval(() => ways.forEach((way) => way.cut()), 500)),
      () => clearInterval(cutting),
    )
    expect(unforeseen(all)).toEqual([])
  })

  test('after all that, every call has ended, and none was run twice', { timeout: 120_000 }, async () => {
    const { calls, wrong } = await crew.end()
    expect(wrong).toEqual([])
    expect(calls).toBeGreaterThan(200)
  })
})
