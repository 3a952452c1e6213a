// What an agent needs. Rights are in ./tokens, other transports in ./messages; what those share with an agent is typed here.
export { HandlerError, XBindError, type RemoteError, type XBindErrorCode } from './errors'
export type { Result } from './result'
export {
  didToPublicKey,
  Identity,
  publicKeyToDID,
  verifySignature,
  type DIDDocument,
  type PublicJWK,
} from './agent/identity'
export { approvals, type ApprovalRequest } from './agent/approvals'
export type { ApprovalPolicy, HandleOptions } from './agent/guard'
export { verifyCard, type AgentCard, type OfferedMethod } from './agent/card'
export type { CallSeen, HandleSeen } from './agent/channels'
export type { MethodOptions } from './agent/methods'
export type { NeverMethods, Peer, PeerOptions } from './agent/peer'
export type { StandardSchema } from './agent/schema'
export type {
  AuditEntry,
  AuditHead,
  AuditLog,
  AuditOptions,
  AuditOutcome,
  AuditQuery,
  AuditRecord,
} from './agent/audit'
export { MessageBus } from './agent/bus'
export {
  type AgentConfig,
  type AgentOptions,
  type CallOptions,
  type Handler,
  type Message,
  type StreamOptions,
  type WithMethod,
  type WithReceipt,
  type xBindIdentityProvider,
} from './agent/config'
export type { ReceiveOptions } from './agent/options'
export { pkcs11, vault, type PKCS11Key, type VaultKey } from './agent/kept'
export type { Address } from './agent/address'
export type { HttpReach, ProxyUse } from './agent/reach'
export { AutoGenxBindAgent } from './agent/agent'
export { isReceipt, type CallReceipt, type DeliveryReceipt, type Receipted } from './agent/calls'
export type { IncomingCall } from './agent/incoming'
export type { Progress } from './agent/progress'
export type { AgentTokenWish, Registered, RegistryAddress, TokenWish } from './agent/registry'
export type { AnswerStream } from './agent/stream'
export type { Logger } from './agent/log'
export type { MessageOp, OutgoingMessage, SealedMessage, VerifiedMessage } from './messages/message'
export type { OnBehalfOf, TokenRequest } from './tokens/token'
export type { TokenVerifierOptions, TrustedAuthority, TrustedIssuer } from './tokens/demands'
export type { RevocationSource, RevocationSubject } from './tokens/revocation'
export type { ApprovedCall, CallDecision } from './tokens/approval'
export type { FetchDocument, FetchLimits } from './tokens/fetch'
