// What is on record: receipts of single calls, and logs of what was decided that nobody can edit unseen.
export { verifyReceipt, type ReceiptDemands, type ShownReceipt, type VerifiedReceipt } from './record/receipt'
export {
  openAuditLog,
  verifyAudit,
  verifyWitness,
  witnessHead,
  type AuditBatch,
  type AuditDemands,
  type AuditLogOptions,
  type AuditSink,
  type VerifiedAudit,
} from './record/log'
export type {
  AuditEntry,
  AuditHead,
  AuditLog,
  AuditOptions,
  AuditOutcome,
  AuditQuery,
  AuditRecord,
} from './agent/audit'
