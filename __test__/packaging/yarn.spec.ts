import { everyTool } from './tools.ts'

everyTool('yarn')
