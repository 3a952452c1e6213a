import { isAgent, warnOf, type AutoGenxBindAgent, type Handler } from './agent'
import type { AgentConfig } from './config'
import { checkFunction } from '../check'
import { isFailure, XBindError } from '../errors'
import { native } from '../native'

/** What an approver is sent, as crates/xbind/src/rights/approval_request.rs writes it. */
interface ApprovalRequestBody {
  caller: string
  /** Absent where the call names none. */
  method?: string
  /** Absent where the call comes from the same process. */
  session?: string
  contentType: string
  body: string
  chain: readonly string[]
}

/** What an approver decides upon. */
export interface ApprovalRequest {
  /** The agent that was called and asks for the approval. Proven by its signature. */
  readonly agent: string
  /** Who called it, as that agent says. */
  readonly caller: string
  /** The method asked for, if the caller named one; it is signed for like the arguments. */
  readonly method: string | undefined
  /** The very arguments of the call. */
  readonly payload: unknown
  /** On whose behalf the caller acts, outermost first, as that agent says. */
  readonly chain: readonly string[]
}

/**
 * A handler for an approver: `operator.handle(approvals(operator, (request) => …))`. Each decision is signed for this caller,
 * this agent, this method and these arguments. Calls that ask for no approval go to `otherwise`. Arguments that could be read in
 * more than one way are neither shown nor signed: INVALID_PAYLOAD.
 *
 * @example
 * ```ts
 * agent.handle(approvals(agent, ({ payload }) => (payload as { amount: number }).amount < 1000))
 * ```
 */
export function approvals(
  approver: AutoGenxBindAgent,
  decide: (request: ApprovalRequest) => boolean | Promise<boolean>,
  otherwise?: AgentConfig['handler'],
): Handler {
  if (!isAgent(approver)) throw new TypeError('approver must be an AutoGenxBindAgent, the one that is asked')
  checkFunction(decide, 'decide')
  if (otherwise !== undefined) checkFunction(otherwise, 'otherwise')
  return async (call) => {
    const request = requestIn(call.payload)
    if (!request) {
      if (otherwise) return otherwise(call)
      throw new TypeError('not a request for an approval')
    }
    const { caller, method, session, contentType, chain } = request
    const shown = native.shownBody(contentType, request.body, method)
    if (isFailure(shown)) throw new XBindError(shown)
    const body = new Uint8Array(typeof shown === 'string' ? Buffer.from(shown) : shown) // payload is the decider's own
    const payload: unknown = typeof shown === 'string' ? JSON.parse(shown) : new Uint8Array(shown)
    const yes: unknown = await decide({ agent: call.from, caller, method, payload, chain })
    if (typeof yes !== 'boolean')
      warnOf(approver, `decide() has to answer true or false; what it gave, ${typeof yes}, is a no`)
    const decision = yes === true ? 'approve' : 'deny'
    const signed = await approver.decide({
      decision,
      call: {
        caller,
        recipient: call.from,
        ...(method !== undefined && { method }),
        ...(session !== undefined && { session }),
        body,
        contentType,
      },
    })
    if (!signed.ok) throw signed.error
    return { approval: signed.value }
  }
}

function requestIn(payload: unknown): ApprovalRequestBody | undefined {
  const request = (payload as { approvalRequest?: Partial<ApprovalRequestBody> } | null)?.approvalRequest
  if (typeof request !== 'object' || request === null) return undefined
  const { caller, method, session, contentType, body, chain } = request
  const strings = [caller, contentType, body, ...(Array.isArray(chain) ? chain : [undefined])]
  if (method !== undefined) strings.push(method)
  if (session !== undefined) strings.push(session)
  return strings.every((value) => typeof value === 'string') ? (request as ApprovalRequestBody) : undefined
}
