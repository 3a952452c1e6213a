// Three servers, three workers of one DID, each a process, and one that calls them all the time: what is killed under that load
// comes again. Every call ends, and none is run twice. XBIND_CHAOS says how often each is killed.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Crew, table, unforeseen, type Outage } from './helpers/nats-chaos'
import { kill } from './helpers/nats-members'
import { cluster, type Cluster } from './helpers/nats-server'

const TIMES = Number(process.env['XBIND_CHAOS'] ?? 1)

let servers: Cluster
let crew: Crew
const outages = new Map<string, Outage[]>()
beforeAll(async () => {
  servers = await cluster()
  crew = new Crew(servers)
  await crew.begin()
})
afterAll(async () => {
  await crew.close()
  await servers.kill()
  console.log(table(`What was killed under a load of 100 calls a second (${process.arch}, three servers)`, outages))
})

const others = (all: number[], not: number): number[] => all.filter((at) => at !== not)

/** Which server is meant. */
const victims: Record<string, () => Promise<number>> = {
  'the leader': () => crew.leader(),
  'a follower': async () => {
    const [leader, mine] = [await crew.leader(), await crew.serverOf(crew.caller)]
    const followers = others([0, 1, 2], leader)
    return others(followers, mine)[0] ?? followers[0] ?? 0
  },
  "the caller's server": () => crew.serverOf(crew.caller),
  "the callee's server": async () => {
    const mine = await crew.serverOf(crew.caller)
    const theirs = await Promise.all(crew.workers.map((worker) => crew.serverOf(worker)))
    return others(theirs, mine)[0] ?? mine
  },
}

async function again(what: string, once: (round: number) => Promise<Outage>): Promise<Outage[]> {
  const all: Outage[] = []
  outages.set(what, all)
  for (let round = 0; round < TIMES; round++) all.push(await once(round))
  return all
}

test.for(Object.keys(victims))('%s', { timeout: 120_000 * TIMES }, async (what) => {
  const all = await again(what, async () => {
    const victim = await victims[what]!()
    return crew.survive(
      () => servers.stop(victim),
      () => servers.start(victim),
    )
  })
  expect(unforeseen(all)).toEqual([])
})

test('one of three workers', { timeout: 120_000 * TIMES }, async () => {
  const all = await again('one of three workers', (round) => {
    const at = round % 3
    return crew.survive(
      () => kill(crew.workers[at]!),
      () => crew.hire(at),
    )
  })
  expect(unforeseen(all)).toEqual([])
})

test('after all that, every call has ended, and none was run twice', { timeout: 120_000 }, async () => {
  const { calls, lost, wrong } = await crew.end()
  expect(wrong).toEqual([])
  expect(calls).toBeGreaterThan(200)
  expect(lost).toBeLessThan(calls / 2)
})
