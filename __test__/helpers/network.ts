import { execFileSync } from 'node:child_process'
import { natsServer } from '../../scripts/nats-server.mjs'
import type { Place } from './nats-server'

/** Machines on a network of their own, each in a network namespace: whoever is on the same bridge reaches the others. */
export interface Network {
  readonly places: readonly Place[]
  /** Parts the machines: those of a group reach each other alone, and whoever is in none stays with those in none. */
  part(...groups: readonly (readonly number[])[]): void
  /** Brings all together again. */
  heal(): void
  close(): void
}

const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })

/** Makes one; the reason why none can be had here. */
export function network(machines: number): Network | string {
  const name = (what: string | number): string => `xbind-${process.pid}-${what}`
  const hub = name('hub')
  const all = Array.from({ length: machines }, (_, at) => at)
  const made: string[] = []
  const add = (space: string): void => {
    ip('netns', 'add', space)
    made.push(space)
    ip('-n', space, 'link', 'set', 'lo', 'up')
  }
  const move = (at: number, bridge: number): void => ip('-n', hub, 'link', 'set', `m${at}`, 'master', `b${bridge}`)
  const close = (): void => {
    for (const space of made.splice(0)) ip('netns', 'del', space)
  }
  try {
    add(hub)
    for (const at of [...all, machines]) {
      ip('-n', hub, 'link', 'add', `b${at}`, 'type', 'bridge')
      ip('-n', hub, 'link', 'set', `b${at}`, 'up')
    }
    for (const at of all) {
      add(name(at))
      ip('-n', hub, 'link', 'add', `m${at}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name(at))
      ip('-n', hub, 'link', 'set', `m${at}`, 'up')
      move(at, 0)
      ip('-n', name(at), 'address', 'add', `10.203.0.${at + 1}/24`, 'dev', 'eth0')
      ip('-n', name(at), 'link', 'set', 'eth0', 'up')
    }
    execFileSync('ip', ['netns', 'exec', name(0), natsServer(), '--version'], { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (error) {
    close()
    return `this machine makes no network namespaces: ${String((error as Error).message)
      .split('\n')
      .join(' ')}`
  }
  process.once('exit', close)
  return {
    places: all.map((at) => ({ address: `10.203.0.${at + 1}`, inside: ['ip', 'netns', 'exec', name(at)] })),
    part: (...groups) => groups.forEach((group, bridge) => group.forEach((at) => move(at, bridge + 1))),
    heal: () => all.forEach((at) => move(at, 0)),
    close,
  }
}
