export { HandlerError, XBindError, type RemoteError, type XBindErrorCode } from './errors'
export type { Result } from './result'
export { didToPublicKey, Identity, publicKeyToDID, verifySignature, type DIDDocument, type PublicJWK } from './identity'
export {
  MessageVerifier,
  type MessageVerifierOptions,
  type OutgoingMessage,
  type SealedMessage,
  type VerifiedMessage,
} from './message'
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
export { covers } from './scope'
export { delegateToken, issueToken, type TokenClaims, type TokenRequest } from './token'
export { TokenVerifier, type TokenDemands, type TokenVerifierOptions, type TrustedIssuer } from './token-verifier'
export { RevocationList, type RevocationSource, type RevocationSubject } from './revocation'
export { StatusList, StatusListSource, type StatusEvidence, type StatusListSourceOptions } from './status-list'
export {
  KeyHistory,
  signRotation,
  verifyRotation,
  type KeyState,
  type Rotation,
  type RotationRequest,
} from './rotation'
export { approveCall, verifyApproval, type Approval, type ApprovedCall, type CallDecision } from './approval'
export type { FetchDocument, FetchLimits } from './fetch'
export type { Evidence as RevocationEvidence, StatusRef } from './binding-rights'
