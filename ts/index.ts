// What an agent needs. Rights are in ./tokens, other transports in ./messages; what those share with an agent is typed here.
export { HandlerError, XBindError, type RemoteError, type XBindErrorCode } from './errors'
export type { Result } from './result'
export { didToPublicKey, Identity, publicKeyToDID, verifySignature, type DIDDocument, type PublicJWK } from './identity'
export { approvals, type ApprovalPolicy, type ApprovalRequest, type HandleOptions } from './admission'
export { MessageBus } from './bus'
export {
  AutoGenxBindAgent,
  type AgentConfig,
  type AgentOptions,
  type CallOptions,
  type Handler,
  type Message,
  type xBindIdentityProvider,
} from './agent'
export type { DeliveryReceipt, IncomingCall } from './port'
export type { Logger } from './log'
export type { OutgoingMessage, SealedMessage, VerifiedMessage } from './message'
export type { TokenRequest } from './token'
export type { TokenVerifierOptions, TrustedIssuer } from './token-verifier'
export type { RevocationSource, RevocationSubject } from './revocation'
export type { ApprovedCall, CallDecision } from './approval'
export type { FetchDocument, FetchLimits } from './fetch'
