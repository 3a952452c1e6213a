// Signed messages for any transport: `Identity` seals them, a `MessageVerifier` opens them.
export {
  MessageVerifier,
  type MessageOp,
  type MessageVerifierOptions,
  type OutgoingMessage,
  type SealedMessage,
  type VerifiedMessage,
} from './messages/message'
