"""How people and portals are told: e-mail by SMTP, signed webhooks by HTTP."""
