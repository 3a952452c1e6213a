import { cut, didIn, type Entry } from '../agent/audit'
import type { AuthenticRequest } from '../native/binding'

/** What a record says of a request: not what it asks for behind the path, which may be secret. */
export function entryOf(
  method: string,
  target: string,
  audience: string,
  authentic?: AuthenticRequest,
): Omit<Entry, 'outcome'> {
  const path = target.replace(/[?#].*$/s, '').replace(/^[a-z][\w+.-]*:\/\/[^/]*/i, '')
  const { from, nonce } = authentic ?? {}
  return {
    event: 'request',
    by: didIn(audience),
    from,
    method: /^[\w.-]{1,128}$/.test(method) ? method : undefined,
    messageId: nonce !== undefined && /^[\w-]{21}[AQgw]$/.test(nonce) ? nonce : undefined,
    note: cut(path.startsWith('/') ? path : ''),
  }
}
