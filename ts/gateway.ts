// The gateway before models, in this process: every request proven, within its rights and budget, and on record.
export type {
  GatewayAuthority,
  GatewayBudget,
  GatewayConfig,
  GatewayLimits,
  GatewayModel,
  GatewayUpstream,
} from './gateway/config'
export { startGateway, type Gateway, type GatewayOptions } from './gateway/start'
