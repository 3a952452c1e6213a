import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Identity } from '@private.me/autogen'
import { openAuditLog, type AuditLog, type AuditLogOptions } from '@private.me/autogen/record'
import { afterAll } from 'vitest'
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
