// Rights: granted, handed on, verified, taken back; keys that follow each other; calls that somebody else approves.
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
