import { checkBytes, checkObject, checkString, known } from '../check'
import { isFailure } from '../errors'
import { native } from '../native'
import { fail, ok, type Result } from '../result'

/** A receipt as somebody shows it: what `call` gave with `receipt`, or as much of it as is to be shown. */
export interface ShownReceipt {
  /** The JWS of the call. */
  readonly call: string
  /** The JWS of the answer. */
  readonly answer: string
  /** What is said to be the body of the call; compared if it is there. */
  readonly request?: Uint8Array | undefined
  /** What is said to be the body of the answer; compared if it is there. */
  readonly result?: Uint8Array | undefined
}

/** Between whom a receipt must be, and what else it is compared with. */
export interface ReceiptDemands {
  /** The DID that must have asked. */
  caller: string
  /** The DID that must have answered. */
  agent: string
  /** What you know as the body of the call, compared too. */
  request?: Uint8Array
  /** What you know as the body of the answer, compared too. */
  result?: Uint8Array
}

/** What a receipt proves: the caller signed this call for the agent, and the agent signed this answer to it. */
export interface VerifiedReceipt {
  /** The id of the call. */
  readonly messageId: string
  /** What was asked. */
  readonly op: 'call' | 'send'
  /** What came back: a value, a refusal, or that it stands in an inbox. */
  readonly answer: 'result' | 'error' | 'receipt'
  /** The method asked for. */
  readonly method: string | undefined
  /** When the caller signed, by its clock: seconds since the epoch. */
  readonly issuedAt: number
  /** When the agent signed its answer, by its clock: seconds since the epoch. */
  readonly answeredAt: number
  /** How many parts were sent before the end of the answer; a receipt does not say what they held. */
  readonly parts: number | undefined
  /** SHA-256 of the body of the call, in base64url. */
  readonly requestDigest: string
  /** SHA-256 of the body of the answer, in base64url. */
  readonly resultDigest: string
  /** SHA-256 of what the call presented, token and approval, in base64url. */
  readonly tokenDigest: string | undefined
}

/**
 * Verifies a receipt, offline and at any time: that `caller` signed this call for `agent`, that `agent` signed this answer to this
 * very call, and that every body that is given is the one that was signed. See docs/record.md for what that proves and what not.
 * Errors: MALFORMED_MESSAGE, REPLY_MISMATCH, WRONG_AUDIENCE (a receipt between others), INVALID_SIGNATURE, INVALID_DID.
 *
 * @example
 * ```ts
 * const answer = await agent.call('writer', { topic: 'identity' }, { method: 'summarise', receipt: true })
 * if (answer.ok) verifyReceipt(answer.receipt, { caller: agent.getDID(), agent: friend.did })
 * ```
 */
export function verifyReceipt(receipt: ShownReceipt, options: ReceiptDemands): Result<VerifiedReceipt> {
  checkObject(receipt, 'receipt')
  known(receipt, 'a receipt', ['call', 'answer', 'request', 'result'])
  checkObject(options, 'options')
  known(options, 'verifyReceipt()', ['caller', 'agent', 'request', 'result'])
  const { call, answer, request: shownRequest, result: shownResult } = receipt
  const { caller, agent, request, result } = options
  checkString(call, 'receipt.call')
  checkString(answer, 'receipt.answer')
  checkString(caller, 'caller')
  checkString(agent, 'agent')
  const requests = bodies('request', shownRequest, request)
  const results = bodies('result', shownResult, result)
  const shown = native.verifyReceipt(call, answer, requests, results, caller, agent)
  if (isFailure(shown)) return fail(shown)
  const { method, parts, tokenDigest, ...rest } = JSON.parse(shown) as VerifiedReceipt
  return ok({ ...rest, method, parts, tokenDigest })
}

function bodies(what: string, ...given: unknown[]): Uint8Array[] {
  const there = given.filter((body) => body !== undefined)
  return there.map((body) => {
    checkBytes(body, what)
    return body
  })
}
