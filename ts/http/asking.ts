import type { Failure } from '../native/binding'
import { clearTimeout, setTimeout } from '../agent/timers'
import { checkFunction, checkObject } from '../check'
import { failure } from '../errors'
import type { RevocationSource } from '../tokens/revocation'

/** How long a store or a source may take. */
export const PATIENCE_MS = 5000

/** Any answer; undefined if there is none in time. */
export async function inTime(ask: () => unknown): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, undefined)
  })
  try {
    return await Promise.race([ask(), late])
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

export function sourcesIn(
  revocations: RevocationSource | readonly RevocationSource[] | undefined,
): readonly RevocationSource[] {
  if (revocations === undefined) return []
  const sources = Array.isArray(revocations) ? [...(revocations as readonly RevocationSource[])] : [revocations]
  for (const source of sources) {
    checkObject(source, 'revocations')
    checkFunction((source as RevocationSource).isRevoked, 'revocations.isRevoked')
  }
  return sources as readonly RevocationSource[]
}

/** Why the sender is refused: one yes decides, and then one who does not know. */
export async function refusal(
  sources: readonly RevocationSource[],
  did: string,
  issuedAt: number,
): Promise<Failure | undefined> {
  const question = Object.freeze({ did, issuedAt })
  const answers = await Promise.all(sources.map((source) => inTime(() => source.isRevoked(question))))
  if (answers.includes(true)) return failure('REVOKED', `${did} was revoked`)
  if (answers.every((answer) => answer === false)) return undefined
  return failure('REVOCATION_UNKNOWN', `no source knows in time whether ${did} was revoked`, 'send it again', true)
}
