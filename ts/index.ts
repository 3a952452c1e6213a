export { HandlerError, XBindError, type RemoteError, type XBindErrorCode } from './errors'
export type { Result } from './result'
export {
  didToPublicKey,
  Identity,
  publicKeyToDID,
  verifySignature,
  type DIDDocument,
  type PublicJWK,
} from './identity'
export {
  MessageVerifier,
  type MessageVerifierOptions,
  type OutgoingMessage,
  type SealedMessage,
  type VerifiedMessage,
} from './message'
export type { HandleOptions } from './admission'
export { MessageBus } from './bus'
export {
  AutoGenxBindAgent,
  type AgentConfig,
  type AgentOptions,
  type CallOptions,
  type DeliveryReceipt,
  type Handler,
  type Message,
  type xBindIdentityProvider,
} from './agent'
export type { IncomingCall } from './port'
export type { Logger } from './log'
