import type { Failure } from './native/binding'

/** What the runtime, which knows no language, cannot name: the options behind its bounds. */
const hints: Readonly<Record<string, string>> = {
  PAYLOAD_TOO_LARGE: 'send less, or raise maxPayloadBytes on both sides',
  TIMEOUT: 'raise timeoutMs, or look why the other agent is slow',
  INBOX_FULL: 'try again later; its owner may raise concurrency, inbox.maxMessages or inbox.maxBytes',
  NOT_ALLOWED: 'ask its owner to add your DID to `allow`',
  AGENT_NOT_FOUND: 'make it first, on the same bus (across threads: MessageBus.shared), and do not close it',
}

/** A failure of the runtime, with the hint that names an option where there is one. */
export function hinted(failure: Failure): Failure {
  const hint = hints[failure.code]
  return hint === undefined ? failure : { ...failure, hint }
}
