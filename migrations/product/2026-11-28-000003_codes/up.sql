-- SKUs, barcodes and external ids are kept in the composed form of Unicode (NFC), which the unique indexes then compare. One
-- that another one looks like already stays as it was written.

UPDATE variants AS variant SET sku = normalize(sku, NFC)
WHERE deleted_at IS NULL AND sku IS NOT NFC NORMALIZED AND NOT EXISTS (
    SELECT FROM variants AS twin
    WHERE twin.deleted_at IS NULL AND twin.id <> variant.id AND normalize(twin.sku, NFC) = normalize(variant.sku, NFC)
);
UPDATE variants SET barcode = normalize(barcode, NFC) WHERE deleted_at IS NULL AND barcode IS NOT NFC NORMALIZED;
UPDATE products AS product SET external_id = normalize(external_id, NFC)
WHERE deleted_at IS NULL AND external_id IS NOT NFC NORMALIZED AND NOT EXISTS (
    SELECT FROM products AS twin
    WHERE twin.deleted_at IS NULL AND twin.id <> product.id
        AND normalize(twin.external_id, NFC) = normalize(product.external_id, NFC)
);
