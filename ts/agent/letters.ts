import type { Message } from './config'
import { decode } from '../messages/payload'

/** Messages as native.receive gives them, five elements each; and those whose content is not what it claims to be. */
export function lettersIn(flat: readonly unknown[]): {
  letters: Message[]
  unreadable: { id: string; from: string }[]
} {
  const letters: Message[] = []
  const unreadable: { id: string; from: string }[] = []
  for (let i = 0; i < flat.length; i += 5) {
    const [oneWay, id, from, seconds, body] = flat.slice(i, i + 5) as [boolean, string, string, number, string]
    try {
      const payload = decode(body)
      letters.push({ id, kind: oneWay ? 'message' : 'call', from, payload, issuedAt: new Date(seconds * 1000) })
    } catch {
      unreadable.push({ id, from })
    }
  }
  return { letters, unreadable }
}
