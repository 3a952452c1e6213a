import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Identity } from '@private.me/autogen'
import {
  openAuditLog,
  type AuditLog,
  type AuditLogOptions,
  type AuditRecord,
  type AuditSink,
} from '@private.me/autogen/record'
import { afterAll } from 'vitest'
import { gate } from './bus.ts'
import { valueOf } from './result.ts'

export const signer = Identity.generate()
let count = 0

/** Makes logs in a folder of its own, which goes with the spec. */
export function logs(): (options?: Partial<AuditLogOptions>) => Promise<{ log: AuditLog; path: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'xbind-records-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  return async (options) => {
    const path = join(folder, `${(count += 1)}.jsonl`)
    return { log: valueOf(await openAuditLog(path, { signer, ...options })), path }
  }
}

/** What stands in a log, in short. */
export async function outcomes(log: AuditLog): Promise<string[]> {
  valueOf(await log.flush())
  return valueOf(await log.query()).map(({ event, outcome, code }) => [event, outcome, code].filter(Boolean).join(' '))
}

/** A log to a function, with `always`, whose lines are taken when it is let go, and lost while it is broken. */
export interface Slow {
  readonly log: AuditLog
  records(): AuditRecord[]
  /** Holds it; the promise is fulfilled when a write has begun. */
  hold(): Promise<void>
  letGo(): void
  setBroken(broken: boolean): void
}

export async function slow(sync: AuditLogOptions['sync'] = 'always'): Promise<Slow> {
  const texts: string[] = []
  let [rest, begun] = [gate(), gate()]
  let isBroken = false
  rest.open()
  const sink: AuditSink = async ({ text }) => {
    begun.open()
    await rest.promise
    if (isBroken) throw new Error('the disk is full')
    texts.push(text)
  }
  const log = valueOf(await openAuditLog(sink, { signer, sync, timeoutMs: 600_000 }))
  return {
    log,
    records: () =>
      texts
        .flatMap((text) => text.trim().split('\n'))
        .map((line) => JSON.parse(line) as AuditRecord)
        .filter(({ outcome }) => outcome !== undefined),
    hold: () => {
      ;[rest, begun] = [gate(), gate()]
      return begun.promise
    },
    letGo: () => rest.open(),
    setBroken: (broken) => {
      isBroken = broken
    },
  }
}
