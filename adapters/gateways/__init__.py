"""Payment channels in their own wire formats, each a ``payments.ports.PaymentGateway``."""
