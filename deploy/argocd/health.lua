-- How Argo CD sees the health of cooper's resources. In the ConfigMap argocd-cm, for all kinds:
--
--   resource.customizations: |
--     upcloud.cooper.dev/*:
--       health.lua: |
--         <this file>
--
-- Healthy: Ready for what the spec says now. Degraded: somebody must act (Stalled). Suspended: paused by its annotation.
-- Everything else is Progressing.
local health = {status = "Progressing", message = "waiting for cooper"}
local meta, status = obj.metadata, obj.status
if meta.annotations ~= nil and meta.annotations["cooper.dev/paused"] == "true" then
  return {status = "Suspended", message = "cooper.dev/paused"}
end
if status == nil or status.conditions == nil then
  return health
end
local ready = nil
for _, condition in ipairs(status.conditions) do
  -- Of an older spec nothing is said.
  local current = condition.observedGeneration == nil or condition.observedGeneration == meta.generation
  if current and condition.type == "Stalled" and condition.status == "True" then
    return {status = "Degraded", message = condition.message}
  end
  if current and condition.type == "Ready" then
    ready = condition
  end
end
if ready ~= nil then
  health.message = ready.message
  if ready.status == "True" and meta.deletionTimestamp == nil then
    health.status = "Healthy"
  end
end
return health
