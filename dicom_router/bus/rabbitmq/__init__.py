"""The bus over RabbitMQ: one connection that publishes, one for each consumer."""

from dicom_router.bus.rabbitmq.bus import RabbitBus

__all__ = ["RabbitBus"]
