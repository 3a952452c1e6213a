// Rights: granted, handed on, verified, taken back; keys that follow each other; calls that somebody else approves.
export { covers } from './tokens/scope'
export { delegateToken, issueToken, type TokenClaims, type TokenRequest } from './tokens/token'
export type { TokenDemands, TokenVerifierOptions, TrustedAuthority, TrustedIssuer } from './tokens/demands'
export { TokenVerifier } from './tokens/token-verifier'
export { RevocationList, type RevocationSource, type RevocationSubject } from './tokens/revocation'
export { StatusList, StatusListSource, type StatusEvidence, type StatusListSourceOptions } from './tokens/status-list'
export {
  KeyHistory,
  signRotation,
  verifyRotation,
  type KeyState,
  type Rotation,
  type RotationRequest,
} from './tokens/rotation'
export { approveCall, verifyApproval, type Approval, type ApprovedCall, type CallDecision } from './tokens/approval'
export type { FetchDocument, FetchLimits } from './tokens/fetch'
export type { Evidence as RevocationEvidence, StatusRef } from './tokens/evidence'
