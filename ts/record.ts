// What is on record: receipts of single calls, which anybody can verify later.
export { verifyReceipt, type ReceiptDemands, type ShownReceipt, type VerifiedReceipt } from './record/receipt'
