"""Every route that programs call."""

from fastapi import APIRouter

from app.api import bills, channels

router = APIRouter()
router.include_router(bills.router)
router.include_router(channels.router)
