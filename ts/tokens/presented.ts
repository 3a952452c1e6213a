import type { Failure } from '../native/binding'
import { native } from '../native'

/**
 * @internal What a call presents, as one text: `token`, `token~approval` or `~approval`; undefined for neither. The parts are
 * not looked into. Errors: INVALID_TOKEN for what cannot be one.
 */
export function presentedText(token: string | undefined, approval: string | undefined): string | undefined | Failure {
  if (token === undefined && approval === undefined) return undefined
  return native.writePresented(token, approval) ?? undefined
}
