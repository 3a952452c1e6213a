import type { Failure } from './native/binding'

/** What the runtime, which knows no language, cannot name: the options behind its bounds. By message or code. */
const hints: Readonly<Record<string, string>> = {
  PAYLOAD_TOO_LARGE: 'send less, or raise maxPayloadBytes on both sides',
  TIMEOUT: 'raise timeoutMs, or look why the other agent is slow',
  INBOX_FULL: 'try again later; its owner may raise concurrency, inbox.maxMessages or inbox.maxBytes',
  NOT_ALLOWED: 'ask its owner to add your DID to `allow`',
  'an agent cannot call itself': 'call the function directly, or make another agent with an identity of its own',
  APPROVAL_FAILED:
    'the approver could not be asked, or signed nothing that holds, and nothing was begun: try again when it is there, or call with { approval }',
  'the key of this agent is with its identity provider':
    'let the identity that owns the key sign it: issueToken, delegateToken, approveCall',
  AGENT_NOT_FOUND:
    'make it first, on the same bus (across threads: MessageBus.shared), and do not close it; while its identity provider fails to sign, it is not there either',
}

/** What happened at an address has a hint of its own, which fits better. */
const AT_AN_ADDRESS = /^(no agent was reached at|what is at|the response of|calls are under way to) /

/** A failure of the runtime, with the hint that names an option where there is one. */
export function hinted(failure: Failure): Failure {
  const hint = hints[failure.message] ?? (AT_AN_ADDRESS.test(failure.message) ? undefined : hints[failure.code])
  return hint === undefined ? failure : { ...failure, hint }
}
